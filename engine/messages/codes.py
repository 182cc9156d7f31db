"""The codes of what can be wrong with a template, and their long texts (`engine explain E210`)."""

from __future__ import annotations

from collections.abc import Mapping

UNKNOWN_VARIABLE = "E201"
SYNTAX = "E210"
UNKNOWN_FILTER = "E211"
UNKNOWN_TEST = "E212"
UNKNOWN_FIELD = "E213"
NOT_ALLOWED = "E214"
MISSING_LANGUAGE = "E215"
MISSING_LAYOUT = "E216"
NO_UNSUBSCRIBE = "E217"
SUBJECT_LINE_BREAK = "E218"
LINK = "E219"
UNKNOWN_PARTIAL = "E220"
TOO_LARGE = "E221"
DANGEROUS_PLACE = "E222"
MISSING_BODY = "E223"
SAMPLE = "E224"
MISFIT = "E225"

CODES: Mapping[str, tuple[str, str]] = {
    UNKNOWN_VARIABLE: (
        "unknown variable",
        "A template names a variable that its type does not have. A template may say only what its type declares (with `extends`), what "
        "`definitions/types/common.yaml` declares, `current_year`, `items` and `unsubscribe_url`. Either the name is misspelled, or the variable "
        "must be added to the type, with a description and a sample. `engine variables TYPE` lists what there is.",
    ),
    SYNTAX: (
        "the template cannot be read",
        "A `{{` or `{%` is not closed, an `if` or `for` has no end, or the words between the braces are not an expression. The place is "
        "where reading stopped; what is missing often stands just before it.",
    ),
    UNKNOWN_FILTER: (
        "unknown filter",
        "A filter is what stands after `|`. Templates have a fixed list of them; `engine variables` prints it.",
    ),
    UNKNOWN_TEST: (
        "unknown test",
        "A test is what stands after `is`. Templates have a fixed list of them, such as `defined`, `none`, `even`, `odd`.",
    ),
    UNKNOWN_FIELD: (
        "unknown field of a list",
        "The items of a `list:` variable have the fields that its `fields:` names, and no others. Add the field there, or mend the name here.",
    ),
    NOT_ALLOWED: (
        "not allowed in a template",
        "Templates show values, choose with `if`, and repeat with `for`. They cannot call functions, set variables, define macros, import, "
        "or mark text as safe: what comes from the CRM is always escaped, and a template can neither reach the system nor run without end. "
        "What needs more belongs in the type's variables or in the CRM's SQL.",
    ),
    MISSING_LANGUAGE: (
        "a language is missing",
        "The project's first locale is the fallback: a subject or a body without it is an error, because somebody would get nothing. "
        "Another locale that is missing is a warning: those readers get the fallback's text, and the plan says so.",
    ),
    MISSING_LAYOUT: (
        "the layout does not fit",
        "A template's `layout:` is the stem of a file in `definitions/layouts/`, and a layout has `{{ body }}` exactly once. `layout: null` "
        "sends the body without one.",
    ),
    NO_UNSUBSCRIBE: (
        "marketing without an unsubscribe link, or a link where there is none",
        "The law of most countries, and every large mailbox provider, ask for a link to unsubscribe in marketing mail. Put `{{ "
        "unsubscribe_url }}` into a link of the template or of its layout, and set `links.unsubscribe` in engine.yaml. Transactional mail "
        "(invoices, contracts, outages) goes to people who unsubscribed too, and has no such link: a body that shows it is a warning.",
    ),
    SUBJECT_LINE_BREAK: (
        "a subject has a line break",
        "A subject and a preheader are one line. A YAML block (`|`) brings a line break with it; write it in quotes, or as `>-`.",
    ),
    LINK: (
        "a link may not lead there",
        "Links in a mail begin with https:, http: or mailto:. Others (javascript:, data:, relative paths) do nothing or do harm in a mailbox.",
    ),
    UNKNOWN_PARTIAL: (
        "unknown partial",
        '`{% include "name.md" %}` names a file of `definitions/partials/`, as a plain text in quotes. Partials may include others, but not '
        "themselves, and at most five deep.",
    ),
    TOO_LARGE: (
        "the template is too large",
        "A source may have 200 kB with its partials, and 40 blocks or brackets inside each other; a rendered mail 500 kB, and 10,000 turns "
        "of all loops together.",
    ),
    DANGEROUS_PLACE: (
        "an expression stands in a dangerous place",
        "Escaping protects text and quoted attributes. In a script, a style, a comment, an event handler, an attribute without quotes, or "
        "in the middle of a tag it does not.",
    ),
    MISSING_BODY: (
        "a body file is missing",
        "A body's `file:` is looked for beside the template's file, inside the project, and ends in .md or .html (.txt for `text:`).",
    ),
    SAMPLE: (
        "a sample does not fit",
        "The sample of a variable must look like a value of its format: a date for `date`, a number for `money` and `number`, a list of mappings for `list:`.",
    ),
    MISFIT: (
        "a value does not fit",
        "A filter or a comparison is given what it cannot take: `date` wants a date, `money` and `number` a number, `for` a list, `<` two "
        "values of one kind. A variable with `format:` in its type is a text by the time a template sees it: drop the filter in the "
        "template, or the format in the type.",
    ),
}
