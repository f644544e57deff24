"""From headers to a plan: recipe, selection, groups, matching, masks, many nights."""
