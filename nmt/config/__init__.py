"""What a run is: schema.py says what can be set, load.py reads it from YAML and the command line."""
