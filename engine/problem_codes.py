"""What each code means, at length: `engine explain E301`. The codes of what stands inside templates (E201 to E224) are with `engine.messages`.

E1xx form · E2xx references and variables · E3xx rules and types · E4xx facts · E5xx guards · E6xx delivery.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_FORM = {
    "E101": ("not YAML", "The file stops being YAML at this place, so nothing below it could be read. Most often a quote or a bracket is not closed, a line is indented differently from "
             "its neighbors, a tab indents, or a text with `: `, `{`, `[`, `@`, `%` or `#` in it needs quotes. Mend it and validate again: what the file says is checked only then."),
    "E102": ("the file cannot be read as text", "Definitions are UTF-8 text of at most 1 MB without control characters. Save the file as UTF-8 in your editor; an invisible character is best "
             "deleted by retyping the line. Large lists belong to a CSV file beside a segment, or to the CRM."),
    "E103": ("unknown key", "No such key is read here. Unknown keys are errors, so that a misspelled `exit_wen:` is never silently nothing. The help lists the keys that are known at this place; "
             "`engine schema --write` gives the same list to your editor."),
    "E104": ("a key is missing", "The mapping needs this key. The help shows what it looks like. A variable needs a `sample` and a `description`, because previews, checks and the variable guide "
             "are made from them."),
    "E105": ("a value of the wrong kind", "The key takes another kind of value: text, a number, true or false, a list or a mapping. YAML 1.2 decides what a value is: `NO`, `on`, `yes`, `10:30` and "
             "dates are text, `12` is a number, `\"12\"` is text, `true` is a boolean."),
    "E106": ("not one of the words that are known", "The key takes one of a few words, and this is none of them. The help lists them."),
    "E107": ("a key stands twice", "YAML readers silently keep the last of two equal keys; here that is an error, because one of the two would be without effect. Remove one, or merge them."),
    "E108": ("a tag or an alias that has no meaning", "Tags (`!name`) are not part of the language. `*name` repeats what `&name` marked above it in the same file; one that points nowhere, or into itself, "
             "is an error. Text that begins with `!`, `*` or `&` goes into quotes."),
    "E110": ("more than a definition can be", "At most 50 levels of nesting and 100,000 values in a file, and at most 10,000 values where aliases repeat them. A few lines of aliases can stand for a billion values; "
             "such a file is refused before it is expanded."),
    "E111": ("several documents in one file", "`---` begins a second document. One file holds one definition; move the second to a file of its own."),
    "E112": ("the id is not the file's name", "The id of a definition is the stem of its file: `definitions/sequences/renewal.yaml` has `id: renewal`. So a file can be found by what mails, plans and the ledger call it. "
             "To rename a sequence or a step that has already sent, keep its history with `renamed_from: old-id`."),
    "E113": ("nothing is read from here", "Definitions stand in fixed folders: types, templates, layouts, partials, segments, sequences, enrollments, and crm.yaml beside them; subfolders are free. "
             "The file's ending is `.yaml`. A file elsewhere would be silently without effect, so it is an error."),
    "E114": ("two files with one id", "Subfolders do not make ids different: two files of one kind may not have the same name, wherever they lie."),
    "E115": ("not an id, or not a name", "Ids of files are lower-case letters and digits with hyphens (`contract-renewal`); entities, fields and variables are lower-case letters, digits and underscores (`end_date`)."),
    "E116": ("not a duration", "A duration is one whole number and one unit: min, h, d, w, mo, y, and in steps bd (business days). A bare `m` could be minutes or months and is refused. Durations count forward; `before:` counts back."),
    "E117": ("not a time of day", 'Write hours and minutes, `"09:00"`, from 00:00 to 23:59, in the timezone of the sequence or the project.'),
    "E118": ("not a time zone", "Zones are IANA names such as Asia/Bangkok, Europe/Berlin or UTC. Short forms such as ICT or GMT+7 do not say when clocks change."),
    "E119": ("not a date", "Write year, month and day, `2026-01-31`; where a moment is taken also `2026-01-31T09:00`."),
    "E120": ("not an address", "An address stands bare: `hello@example.com`, without a display name or brackets. Lists of recipients also take `*@example.com` and `*`."),
    "E121": ("one of several keys", "The mapping takes exactly one of the keys that the message names; here are none of them, or more than one."),
    "E122": ("the file leads out of the project", "What a definition names lies inside the project: no absolute path, no `..` that leaves it, no symbolic link to elsewhere. So a revision in git holds all that it needs."),
    "E123": ("a file that nothing uses", "A body or a list of members lies in the folder, and no definition names it. Often its name is misspelled in the template. It is a warning: nothing is sent from it."),
    "E124": ("the ending says nothing", "The ending of a body's file says how it is read: `.md` is Markdown, `.html` is HTML, and for `text:` also `.txt`."),
    "E125": ("a file of the project is missing", "A project has `engine.yaml` and `definitions/crm.yaml`. `engine init` makes both, with everything else; `-C DIR` says where the project is."),
    "E126": ("a variable where none is read", "`${NAME}`, `${NAME:-default}` and `{env: NAME}` are read only below `environments:` in engine.yaml, and only for the environment in use. Everything else is the same in every environment, "
             "and stands in the file as it is."),
    "E127": ("not a cron", "A cron has five fields: minute, hour, day of month, month, day of week, such as `0 9 * * 1-5`, in the project's timezone. A field is `*`, a number, a list `1,15`, a range `1-5` or a step `*/20`; "
             "months and days may be named (`jan`, `mon`). Six fields, `@daily` and signs such as `L` and `#` mean different things to different schedulers and are refused. Day of month and day of week both given: either matches."),
    "E129": ("not a day of the week", "Days are mon, tue, wed, thu, fri, sat, sun, or a range of them that may go over the weekend: `[mon-fri]`, `[fri-mon, wed]`."),
}  # fmt: skip

_REFERENCES = {
    "E230": ("unknown type", "A template's `type:`, or a type's `extends:`, names a file of `definitions/types/` by its stem, and there is none of that name."),
    "E231": ("unknown template", "A step names a file of `definitions/templates/` by its stem, and there is none of that name."),
    "E232": ("unknown layout", "A template's `layout:` names a file of `definitions/layouts/` by its stem. `layout: null` sends the body without one."),
    "E233": ("unknown segment", "A rule or an enrollment names a file of `definitions/segments/` by its stem, and there is none of that name."),
    "E234": ("unknown sequence", "An enrollment names a file of `definitions/sequences/` by its stem, and there is none of that name."),
    "E235": ("unknown topic", "Topics are what people can unsubscribe from; they are declared in engine.yaml under `topics:`."),
    "E236": ("unknown owner", "Owners are declared in engine.yaml under `owners:`, each with the address of those who answer for it."),
    "E237": ("unknown entity", "Entities are declared in `definitions/crm.yaml` under `entities:`."),
    "E238": ("unknown field", "The entity has no field of this name in `definitions/crm.yaml`. Only declared fields exist here, whatever columns the table has."),
    "E239": ("a path leads nowhere", "A path starts at the record's or the contact's entity by name (`contract.end_date`, `contact.name`), or at a to-one relation of either (`company.industry`), and goes on through relations to a field. "
             "Inside `exists:`, `none:`, `count:` and `where:` of a variable bare names are the related record's fields; inside `audience:` they are the contact's."),
    "E240": ("a path could mean two things", "The record and the contact both have a relation of this name, and the two lead to different entities. Write the whole path from the entity on."),
    "E241": ("a segment needs itself", "`segment:` inside a segment's rules leads back to the same segment, directly or through others. Such membership has no answer."),
    "E242": ("a type extends itself", "`extends:` leads back to the same type, directly or through others."),
    "E243": ("another owner's private segment", "`visibility: private` means that only sequences and segments with the same `owner:` use the segment. Its owner may change it without asking anybody else."),
    "E244": ("an archived segment", "`status: archived` takes a segment out of use. What still uses it must be changed, or the segment made active again."),
    "E245": ("the template is about something else", "A template's type says what its variables are taken from (`about: contract`). A sequence can use it only when it is about the same entity; a type without `about` fits every sequence, with variables of the contact only."),
    "E246": ("a segment of another entity", "A rule asks whether its record, or the contact, is a member. The segment must be one of that entity; an enrollment's segment must be of what the sequence is about."),
    "E247": ("no enrollment by hand here", "Files of `definitions/enrollments/` enroll in sequences with `trigger: manual`. Other sequences take their records from their trigger."),
    "E248": ("a file is not there", "A body or a list of members is looked for beside the file that names it."),
    "E249": ("a variable is declared twice", "A type has its own variables, those of the types that it extends, and those of `common`. A name means one thing in all of them; another `sample` or `description` is allowed, another value is not."),
    "E250": ("the function does not fit the path", "`value`, `days_until` and `days_since` take one value; `days_…` a date or a timestamp. `count` and `list` take a to-many relation, `sum` a number behind one. `text` is a pattern with paths in braces."),
    "E251": ("a type that no template has", "`common` belongs to every type without being named, and has only variables. A type with `abstract: true` is only to be extended."),
    "E252": ("marketing is not complete", "Marketing mail needs a topic that people can unsubscribe from, the sender's postal address, and a link to unsubscribe. The law of most countries and every large mailbox provider ask for them."),
    "E253": ("unknown locale", "`locales:` in engine.yaml lists the languages of the project, the first is the fallback. Subjects and bodies are written for these."),
    "E254": ("the list of members cannot be read", "`members: {file: vip.csv}` names a CSV file in UTF-8 beside the segment, whose first line has a column `key`."),
    "E255": ("the format does not fit", "`date` and `long_date` show dates and timestamps, `datetime` timestamps, `money` and `number` show numbers. Money needs a currency: a path to a field with codes such as THB, or the code."),
    "E256": ("a field of the contact map has the wrong type", "The address, name, language and timezone of contacts are text; `active`, `unsubscribed` and consents are booleans. What the CRM stores otherwise can be turned in the map's `sql:`."),
    "E257": ("an attribute that does not fit the field", "`choices` belong to text and `timezone` to timestamps; a name is a field or a relation, not both."),
    "E280": ("a job selects nothing", "`select:` of a job in engine.yaml is what `--select` takes on the command line: methods with names, such as `tag:renewal` or `sequence:welcome`, a space for both, a comma for what is in both, "
             "`+` for what depends on it. Every word must name something, and the whole of it at least one sequence; otherwise the job would run and never send."),
    "E281": ("a case gives what cannot be", "A campaign test's `given:` and `then:` hold rows of the map's entities: every value is of its field's type (dates as 2026-03-31, text in quotes where it looks like a number), "
             "one of its choices, and every record has a key of its own. What is left out has a default; `null` says that there is no value."),
    "E282": ("a case that cannot come true", "A campaign test expects a step, a contact, a record or a reason that is not there, or its days do not fit: a timeline begins at `now` and goes forward, "
             "and what happens `then` happens on one of its days."),
    "E258": ("the old id is still there", "`renamed_from:` names the id that this sequence or step had before, so that what was sent is not sent again. Something else with that id must not exist any more."),
    "E259": ("a type without a category", "`transactional` is what somebody's contract, invoice or outage needs; it ignores marketing unsubscribes. `marketing` is everything else; it needs a topic. Nothing is guessed here."),
    "E260": ("it looks like a renaming", "What was sent is remembered by the ids of sequence and step. One of them is gone since the last apply, and a new one uses the same template or has the same steps: under its new id everybody would be new to it. "
             "Nothing is sent until the files say which it is: `renamed_from: old-id` keeps the history; or the old one stays for one apply, archived or switched off, and then the new one is another."),
    "E261": ("what the ledger remembers by was changed", "A sequence's `about:` and an entity's `key:` tell which record a mail was about. With another, nothing that was sent would be known again. A sequence about something else is a new sequence; "
             "for a new key `engine state rekey ENTITY --map FILE` carries the old ones over."),
    "E262": ("a renaming that does not fit what the ledger knows", "`renamed_from:` names an id whose history another sequence or step has, or the new id has a history of its own already. Two histories cannot become one."),
    "E263": ("no such calendar of holidays", "`holidays:` in engine.yaml names the calendars of the project; `send_window:` and a sequence's `holidays:` choose one of them."),
    "E264": ("holidays that are not known", "The public holidays of a country come from a library, by the two letters of ISO 3166; some countries have parts with days of their own. Days of one's own stand in `also:`, and `except:` takes days out."),
}  # fmt: skip

_RULES = {
    "E301": ("a rule is not well formed", "A rule is a mapping: from a path to a value (`company.industry: hotel`), to a list (one of them), or to operators (`{greater_than: 5}`); or a group `all`, `any`, `not`; or `segment`, `exists`, `none`, `count`. "
             "Empty lists, groups and values are errors: to ask for no value write `{is_empty: true}`."),
    "E302": ("the operator does not fit the field", "The declared type of a field decides which operators make sense. Text has no order, so `greater_than` on it is an error; dates have `before`, `after`, `on`, `within_last`, `within_next`."),
    "E303": ("the value does not fit the field", "A number field is compared with numbers, a boolean with true or false, text with text, a date with a date such as 2026-12-31. Nothing is converted silently: `\"10\"` is text."),
    "E304": ("a value that never occurs", "The field declares its `choices:`, and this is none of them; the rule could never hold. Either the value is misspelled, or the choice is missing in `definitions/crm.yaml`."),
    "E305": ("the bounds are in the wrong order", "`between: [low, high]` includes both ends and needs the smaller first; `at_least` is not more than `at_most`. Otherwise nothing could ever match."),
    "E306": ("many records where one is asked", "A to-many relation leads to several records, and a bare condition does not say which of them must hold. `exists:` asks for at least one, `none:` for none, `count:` for a number."),
    "E307": ("all of them, or one?", "Several keys in one mapping mean that all hold. In `exit_when:` and `goal:` people as often mean either, and it decides who gets mail: say `all:` or `any:`."),
    "E308": ("one record where many are asked", "`exists:`, `none:` and `count:` ask about the records behind a to-many relation. A condition on a field, or on a to-one relation, stands by itself."),
    "E310": ("the trigger needs a date of the record", "`trigger: {date: contract.end_date}` names a date or timestamp field of the entity that the sequence is about."),
    "E311": ("the step's time does not fit the trigger", "`before:` and `after:` count from the date of a date trigger. `wait:` counts from the step before, and belongs to all other triggers."),
    "E312": ("the steps are not in time order", "`before`/`after` steps stand in the order in which they are due, each strictly later than the one above, whatever the date is. With mixed units (30d, 1mo) the order must hold for short and long months."),
    "E313": ("a step that waits for no time", "`wait: 0d` is for the first step only. Two steps at one moment would be two mails at once."),
    "E314": ("a time of day beside hours", "`at:` sets the time of day of a step that counts in days, weeks, months or years. Minutes and hours are exact: 48h after 14:10 is 14:10."),
    "E315": ("two steps with one id", "The ledger remembers what was sent by the step's id. Two steps with one id could not be told apart."),
    "E316": ("an audience that is not needed", "A sequence about contacts writes to each of them; there is nobody to choose. Narrow it with the trigger's `where`, or a step's `if`."),
    "E317": ("no way to contacts", "The record must lead to contacts through relations: `audience: {from: contract.company.contacts}`. It can be left out where exactly one shortest way exists."),
    "E318": ("several ways to contacts", "More than one relation leads from the record to contacts, and they may be different people. `audience: {from: …}` says which."),
    "E319": ("a record where a value is asked", "The path ends at an entity, and a comparison, a date or a variable needs one value. Name the field that is meant: `contract.company.name`."),
    "E320": ("a choice that is never reached", "In `first_of:` the first group that has somebody is used, so nothing is asked after `all`. In a step's list of templates the first whose `if` holds is used, so exactly the last has no `if`."),
    "E321": ("nothing to combine", "`combine: contact` makes one mail of several records of one contact. Where the sequence is about the contacts themselves, each has one record only."),
    "E330": ("`every` does not fit", "`trigger: {date: contract.start_date, every: 3mo}` comes round every three months of a date: days, weeks, months or years, counted from a date and not from a timestamp."),
    "E331": ("an event that is not declared", "`events:` in definitions/crm.yaml names what can happen to a record: `contract_signed: {entity: contract, at: signed_date}` for what the CRM knows, `{entity: contract}` for what `engine event` tells."),
    "E332": ("the event is about something else", "A sequence that an event starts is about the record to which it happens: `about:` and the event's `entity:` are the same."),
    "E340": ("history of what is no contact", "`received`, `opened`, `clicked` and `enrolled` ask the ledger about a contact. In a segment of companies, or in the `where` of a trigger about contracts, there is none at hand."),
    "E341": ("a step that the sequence does not have", "A rule on history may name one step of a sequence, by its `id`."),
    "E333": ("who may enter again", "An event may come several times for one contact. `reenter: every_occurrence` starts the sequence each time, `never` only once for each contact, `{after: 90d}` again when the last one ended that long ago. Nothing is guessed here."),
    "E335": ("a schedule that comes once a year", "`schedule: \"0 9 20 12 *\"` comes on 20 December of every year. An announcement is meant once: `once: \"2026-12-20T09:00\"`. What is meant for every year says `yearly: true`."),
    "E334": ("an event without a moment", "`at:` names the date or timestamp of the record at which the event happened. Without `at` the event comes from `engine event`, which says when."),
    "E325": ("a window that is never closed, or never open", "A send window says on which days of the week and between which times of day mail may leave: `from` is earlier than `to`, and one day at least is in it."),
    "E326": ("the zone of contacts is not in the map", "`timezone: recipient` reads the zone of each contact from the CRM: `contact: {timezone: FIELD}` in definitions/crm.yaml names a text field with IANA names. "
    "Where it has no value, or one that is no zone, the project's zone is used."),
}  # fmt: skip

_FACTS = {
    "E401": ("a key occurs twice", "Two records of an entity have the same key. Nothing could say which of them a mail is about, so the plan stops. Merge them, or make the map's SQL pick one of each."),
    "E402": ("a table is missing", "The CRM has no table of this name, or the user that reads it may not see it."),
    "E403": ("a column is missing", "The table has no such column. Correct the name, or write `column:` where the CRM names it otherwise."),
    "E404": ("a column of the wrong type", "Values of the column are not of the declared type. Declare the type that the column has, or convert the values in the map's `sql:`."),
    "E405": ("a relation that points nowhere", "Records name another record that is not there. It is counted; such a path has no value in every field."),
    "E406": ("records without a key", "A record without a key cannot be remembered, so it is left out of every plan, and counted."),
    "E407": ("the source cannot be read", "The CRM, a file or the map's SELECT could not be read. The message has the source's own words, without secrets. A SELECT has ten minutes."),
    "E408": ("unknown time zones", "A field that holds time zones has values that are no IANA names. For these contacts the project's timezone is used."),
    "E409": ("flags without a value", "A contact without a value for `active` counts as active, and one without a value for `unsubscribed` as not unsubscribed. They are counted, so that it is no surprise."),
    "E410": ("dates far away", "Values of a trigger's date lie before 1970-01-02 or after 2100 and start nothing. They are counted; often 9999-12-31 stands for none."),
    "E411": ("not judged on an anonymised snapshot", "The sequence asks for a field that is personal, for a key, for what leads to a record, or for what was sent before. On a snapshot that `engine snapshot --anonymise` made these are tokens, and a rule about them could say anything. The sequence is left out there; plan it where the CRM is."),
}  # fmt: skip

_GUARDS = {
    "E501": ("more sends than the guard allows", "`guards: {max_sends: {per_run: …, per_day: …}}` counts over a rolling day, ledger and plan together. Nothing is sent, nothing is cut to a first part. Look at the plan; if it is right, "
             "`--allow max_sends.per_run=N --reason \"…\"` lets this run through and records why."),
    "E502": ("one contact would get too many", "`max_per_contact: {max: 3, per: 24h}` counts what one address gets. Often a join in the map's SQL doubles records. Look at the plan, then mend the map or allow it for this run."),
    "E503": ("a new sequence would write to many at once", "`first_run_max:` holds a sequence that has never sent. A wrong trigger or `backfill` shows here first. A sequence may raise it in its own file (`guards: {first_run_max: 900}`): the review of that line is the approval."),
    "E504": ("the CRM looks too empty", "An entity has fewer records than `min_facts:` (1, if nothing is said). A CRM that is half loaded would end people's paths; nothing is written until it is back."),
    "E505": ("the CRM shrank", "An entity has lost more than `max_shrink:` of its records since the last run. If they are really gone, `--allow max_shrink=N% --reason \"…\"`."),
    "E506": ("far more mail than on any day of two weeks", "`max_growth: 3` compares the mails of 24 hours, ledger and plan together, with the greatest such day of the 14 before. A sequence may say it of its own mails. Within 15 days of the first apply nothing is asked until there is a day with mail to compare with. Look at the plan and at what changed; if it is right, `--allow max_growth=N --reason \"…\"`."),
    "E507": ("too many of a sequence's people at once", "`max_share_of_audience:` is the share of all contacts that a sequence is for who may get a mail of it within 24 hours. A trigger that has lost its condition shows here. A sequence may say another share in its own file."),
    "E508": ("too many leave their way at once", "`max_exits:` is the share of the enrollments on their way that may end other than by completing within 24 hours. A broken join or a field that was renamed in the CRM ends people's paths; nothing is written until it is mended, or `--allow max_exits=N% --reason \"…\"`."),
    "E509": ("the CRM's file is old", "`facts_max_age:` is how long ago the file or files of the CRM may have been written. An export that has stopped would send mail about yesterday's world. Renew it, or allow the age for this run."),
    "E510": ("a sequence is for many more people than at its last apply, or far fewer", "`max_drift: 2` compares the contacts of all records that a sequence is for, due or not, with how many they were at its last apply. Nobody changed its trigger, its audience, the segments behind them or the map; so it was the CRM: an import that came twice or half, values that were renamed, a join or a filter in a view that the map reads. Look there, and at `engine segment count` or `engine plan`. The number it is compared with stays until the people are back, or until `--allow max_drift=N --reason \"…\"` says that they are right. A sequence may say another factor in its own file."),
}  # fmt: skip

_DELIVERY = {
    "E601": ("the transport's settings do not work", "Nothing can be sent as this environment is set up: STARTTLS is not offered or fails its check, the server wants another user name or password, a host is missing, "
             "or the outbox cannot be written. No message is at fault: all stay planned. Nothing is ever sent in plain instead. Look at `transport:` in engine.yaml and at the variables that it names."),
    "E602": ("the mail server does not take mail for now", "It could not be reached, broke off several times in a row, or said to come back later. What was not sent stays planned and leaves with a later run, until it expires."),
    "E603": ("the mail server refuses the message for good", "It answered with a 5xx code to the sender, the recipient or the text. That send has failed; its path goes on. `engine show SEND` has the answer."),
    "E604": ("nobody knows whether the message was accepted", "The connection was lost after the last byte, or the answer made no sense. It is not repeated by itself. `engine sends --state unknown` lists such sends; "
             "`engine resolve SEND --as sent` or `--as failed` settles one, and so does `on_unknown:` of the sequence."),
    "E605": ("this environment may not write there", "`allow_recipients:` does not list the address. The send stays planned, and is sent when the list allows it or expires. Only an environment with `allow_recipients: [\"*\"]` writes to everybody; "
             "one without the key writes to nobody through a real transport; `redirect_to:` sends all to one box."),
    "E606": ("the message cannot be made or handed over", "Its template failed on this contact's values, or it has a bare CR or LF, a line over 998 bytes, an address that is not one, or more bytes than the server takes. "
             "Only this send failed; the others went on."),
}  # fmt: skip

# code: (title, what it means at length)
CODES: Mapping[str, tuple[str, str]] = MappingProxyType({**_FORM, **_REFERENCES, **_RULES, **_FACTS, **_GUARDS, **_DELIVERY})
