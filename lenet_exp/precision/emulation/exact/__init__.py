"""Every operator by the letter: each value rounded where the plan says so."""
