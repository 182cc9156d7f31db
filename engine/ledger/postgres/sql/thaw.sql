DELETE FROM payloads WHERE send_key IN (SELECT send_key FROM judged WHERE act IN ('refresh', 'revive') AND NOT kept)
