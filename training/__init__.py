"""The offline half: from MedQuAD to a saved model directory that the service loads."""
