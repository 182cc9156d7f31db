-- Who of the enrollments that the ledger knows is in the audience (6.4), and who lives again: the cause is gone and the occurrence is the same (3.10).
INSERT INTO known_now
SELECT *, NOT live AND gone IS NULL AND in_audience AND NOT exit_final FROM (
    SELECT k.* EXCLUDE (is_contact), CASE WHEN k.is_contact THEN k.record_there ELSE m.contact IS NOT NULL END AS in_audience,
        p.contact IS NOT NULL AS contact_there
    FROM judged_known k
    LEFT JOIN members m ON m.sequence = k.sequence AND m.record = k.record AND m.contact = k.contact AND m.inside
    LEFT JOIN people p ON p.contact = k.contact
);
