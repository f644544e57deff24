"""What the page draws: plots, timelines, images."""
