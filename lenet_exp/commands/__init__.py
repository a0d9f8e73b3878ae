"""What each verb does, under the verb's own name."""
