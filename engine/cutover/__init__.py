"""The cut-over from another system: its log and its people taken in, its plan compared with ours, its tables read as definitions."""
