-- Whether a stop, a pause or a cancellation in force is about the row `s`.
EXISTS (
  SELECT 1 FROM controls c
  WHERE c.lifted_at IS NULL AND (c.until IS NULL OR c.until > %(now)s)
    AND (c.sequence IS NULL OR c.sequence = s.sequence)
    AND (c.entity IS NULL OR c.entity = s.entity)
    AND (c.record IS NULL OR c.record = s.record)
    AND (c.occurrence IS NULL OR c.occurrence = s.occurrence)
    AND (c.contact IS NULL OR c.contact = s.contact)
)
