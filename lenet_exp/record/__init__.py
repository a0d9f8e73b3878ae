"""Everything that is written: MLflow, the run folder, pictures, the screen."""
