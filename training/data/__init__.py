"""From MedQuAD's archive to rows that are trained and tested on."""
