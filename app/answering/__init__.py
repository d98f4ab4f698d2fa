"""Questions become answers: prompts, text as it is made, comparisons, the service's life."""
