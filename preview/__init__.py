"""What a researcher sees: contact sheets, moving previews, the studio page, run reports."""
