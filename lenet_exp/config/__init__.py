"""Command line and YAML -> checked settings. Imports neither TensorFlow nor MLflow."""
