"""The options of multiple choice: found in a prompt, chosen, made candidates, and which one is right."""
