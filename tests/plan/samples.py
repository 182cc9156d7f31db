"""The sequences that most stories are about."""

RENEWAL = """
    id: renewal
    about: contract
    status: active
    active_from: 2026-01-01
    trigger: {date: contract.end_date, where: {contract.status: active}}
    steps:
      - {id: notice-30, before: 30d, template: notice}
      - {id: notice-14, before: 14d, template: reminder}
      - {id: notice-7, before: 7d, template: reminder}
"""

ONE_NOTICE = """
    id: renewal
    about: contract
    status: active
    active_from: 2020-01-01
    trigger: {date: contract.end_date}
    steps:
      - {id: notice, before: 30d, template: notice}
"""

DRIP = """
    id: drip
    about: contact
    status: active
    active_from: 2026-01-01
    trigger: manual
    steps:
      - {id: welcome, wait: 0d, template: hello}
      - {id: tips, wait: 3d, template: tips}
"""

ONE_LETTER = """
    id: letter
    about: contact
    status: active
    active_from: 2026-01-01
    trigger: manual
    steps:
      - {id: hello, wait: 0d, template: hello}
"""

# Two letters about a contract, to its company's contacts.
PROJECT_LETTERS = """
    id: letters
    about: contract
    status: active
    active_from: 2026-01-01
    trigger: manual
    steps:
      - {id: first, wait: 0d, template: notice}
      - {id: second, wait: 3d, template: reminder}
"""

# One mail on the day when a contact's trial ends.
TRIAL = """
    id: trial
    about: contact
    status: active
    active_from: 2026-01-01
    trigger: {date: contact.trial_end}
    steps:
      - {id: ends, after: 0d, template: hello}
"""
