"""From YAML to frozen scenarios, with every error of every file at once. Programs are text here."""
