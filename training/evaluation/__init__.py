"""What a model is worth: questions, systems, measures."""
