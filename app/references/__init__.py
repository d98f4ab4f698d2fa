"""Published questions and answers: how they are searched, and how an answer is held to them."""
