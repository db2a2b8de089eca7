"""What is shown: sentences, tables, figures, the report, the sample explorer and leaderboards."""
