"""What a run would ask and take, before anything is loaded."""
