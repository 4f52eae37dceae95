"""The command of a job that only holds its slice, so that people can get in."""

from __future__ import annotations

import math
import time

from iris.config.measures import write_duration

# $1 is for how many seconds; a hold that goes on elsewhere is told its end instead.
# A shell is in every image; GNU and BSD differ in `date`.
_PROGRAM = """\
end="${IRIS_HELD_UNTIL:-$(($(date +%s) + $1))}"
day="+%d %b %H:%M UTC"
at="$(date -u -d "@$end" "$day" 2>/dev/null || date -u -r "$end" "$day")"
me="$IRIS_JOB/$IRIS_TASK_INDEX"
echo "iris: held until $at: inv job.exec $me -it gets in"
[ -z "${IRIS_RESUME_REASON:-}" ] || echo "iris: as first told; $IRIS_RESUME_REASON"
echo "iris: inv job.cancel $IRIS_JOB gives it back earlier"
for left in 600 60 0; do
    pause=$((end - left - $(date +%s)))
    [ "$pause" -lt 0 ] && continue
    sleep "$pause"
    [ "$left" -eq 0 ] || echo "iris: the hold ends in $((left / 60)) min, at $at"
done
echo "iris: the hold is over"
"""


def hold_command(seconds: float) -> tuple[str, ...]:
    """Waits for so long, says when it will end, and succeeds."""
    return ("sh", "-c", _PROGRAM, "hold", str(math.ceil(seconds)))


def words_of_hold(seconds: float) -> str:
    """When a hold that begins now would end."""
    at = time.strftime("%d %b %H:%M UTC", time.gmtime(time.time() + seconds))
    return f"held for {write_duration(seconds)} once it starts (now: until {at})"
