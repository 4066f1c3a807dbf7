"""Views for researchers: contact sheets, moving previews, the studio page, run reports."""
