"""Jobs on remote runners, which outlive their submitter: their ids, and what each engine needs."""
