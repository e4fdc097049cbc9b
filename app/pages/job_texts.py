"""Jobs in words: what each does, and the page that shows it."""

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.core.models.segments import Segments
from app.jobs.bulk_edits import BulkEdit
from app.jobs.jobs import Job
from app.jobs.states import JobKind, JobState
from app.pages import blueprint
from app.pages.template_filters import number


@blueprint.app_template_global()
def job_title(job: Job) -> str:
    """Return what a job does, as a heading."""
    if job.kind == JobKind.IMPORT:
        return str(_("Import %(name)s", name=job.payload["name"]))
    if job.kind == JobKind.REVERT:
        return str(_("Undo change #%(id)s", id=job.payload["change_set_id"]))
    if job.kind == JobKind.MEMBERS:
        return str(_("Set the members of %(segment)s", segment=job.payload["segment"]["value"]))
    if job.kind == JobKind.EDIT:
        return _edit_title(BulkEdit.from_dict(job.payload))
    titles = {
        "replace": _("Replace segments"),
        "merge": _("Add segments"),
        "remove": _("Remove segments"),
        "patch": _("Add and remove segments"),
        "upsert": _("Create and update customers"),
    }
    return str(titles[job.payload["action"]])


def _edit_title(edit: BulkEdit) -> str:
    segment, names = segments_text(edit.segments), [segment["value"] for segment in edit.segments]
    if edit.action == "rename" and len(edit.names) > 1:
        count = len(edit.names)
        return str(ngettext("Merge %(count)s segment", "Merge %(count)s segments", count, count=number(count)))
    titles = {
        "add": _("Add %(segment)s", segment=segment),
        "remove": _("Remove %(segment)s", segment=segment),
        "replace": _("Replace all segments with %(segment)s", segment=segment),
        "clear": _("Remove all segments"),
        "rename": _("Rename %(old)s to %(new)s", old="".join(names[:1]), new="".join(names[1:])),
    }
    return str(titles[edit.action])


@blueprint.app_template_filter()
def segments_text(segments: Segments) -> str:
    """Return the value of one segment, or how many there are."""
    count = len(segments)
    return (
        segments[0]["value"] if count == 1 else ngettext("%(count)s segment", "%(count)s segments", count, count=count)
    )


@blueprint.app_template_global()
def job_url(job: Job) -> str:
    """Return the page of a job; that of its approval or of its schedule, if it has no other."""
    if job.kind == JobKind.EDIT:
        return url_for("pages.bulk_edit", bulk_edit_id=job.id)
    if job.kind == JobKind.IMPORT:
        return url_for("pages.import_detail", import_id=job.id)
    if job.kind == JobKind.REVERT and job.state != JobState.SCHEDULED:
        return url_for("pages.undo", job_id=job.id)
    if job.state == JobState.HELD or (job.decided_by and job.state != JobState.SCHEDULED):
        return url_for("pages.approval", job_id=job.id)
    return url_for("pages.schedule", job_id=job.id)
