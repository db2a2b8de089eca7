"""The sample explorer: what of the records goes into the page, and the page's template, style and script."""
