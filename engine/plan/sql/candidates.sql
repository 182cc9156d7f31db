-- Contacts with an open occurrence who are not enrolled for it: new, if nothing bars them.
CREATE OR REPLACE TEMP TABLE candidates AS
SELECT o.*, s.reenter, m.contact
FROM occ o JOIN seqs s USING (sequence)
JOIN (
    SELECT sequence, record, contact FROM members WHERE inside
    -- One row a record, however many occurrences it has.
    UNION SELECT o.sequence, o.record, o.record FROM occ o JOIN seqs s USING (sequence) WHERE s.is_contact
) m ON m.sequence = o.sequence AND m.record = o.record
WHERE s.may_enter
    AND NOT EXISTS (FROM known k WHERE k.sequence = o.sequence AND k.record = o.record AND k.occurrence = o.occurrence AND k.contact = m.contact);
