-- Gate 6.7 where only the window keeps a step: it moved the due moment, or it is closed now (5.4). What is too late already is kept by more
-- than the window: it is passed over at once, so that everybody stands at the right step (6.17).
UPDATE at_step SET decision = 'wait', reason = 'send_window', opens = greatest(at_step.due, w.opens)
FROM windows_now w, clock c
WHERE w.win = at_step.win AND w.zone = at_step.zone AND (
    (reason = 'not_due' AND raw <= c.now)
    OR (w.opens > c.now AND (decision IS NULL OR (reason = 'step_inactive' AND kind <> 'wait'))));
