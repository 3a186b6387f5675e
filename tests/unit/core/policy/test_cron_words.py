from __future__ import annotations

import pytest

from floworch.core.policy.cron_words import describe_cron


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("0 * * * *", "on the hour, every hour"),
        ("15 */2 * * *", "at minute 15, every 2 hours"),
        ("@daily", "every day at 00:00"),
        ("30 2 * * *", "every day at 02:30"),
        ("0 8,20 * * *", "every day at 08:00 and 20:00"),
        ("0 9 * * MON-FRI", "on Monday to Friday at 09:00"),
        ("0 9 * * 1,4", "on Monday and Thursday at 09:00"),
        ("0 9 * * MON#1", "on the first Monday at 09:00"),
        ("0 9 * * L5", "on the last Friday at 09:00"),
        ("0 0 L * *", "on the last day of the month at 00:00"),
        ("15 6 1,15 */3 *", "on day 1 and 15 of the month in every third month at 06:15"),
        ("0 12 13 * 5", "on day 13 of the month or on Friday at 12:00"),
        ("0 0 1 MAR *", "on day 1 of the month in March at 00:00"),
        ("*/10 9-17 * * *", "every 10 minutes of hour 9 to 17"),
        ("* * * * * */10", "every 10 seconds"),
        ("0,30 4 * * *", "at minute 0 and 30 of hour 4"),
        ("0 0 */2 * *", "on every second day of the month at 00:00"),
        ("0 0 */2 * MON", "on every second day of the month or on Monday at 00:00"),
        ("0 0 1 * */2", "on day 1 of the month or on every second day of the week from Sunday at 00:00"),
        ("0 0 * * */2", "on every second day of the week from Sunday at 00:00"),
        ("0 0 1,L * *", "on day 1 and the last day of the month at 00:00"),
        ("0 9 15W * *", "on the weekday nearest to day 15 of the month at 09:00"),
        ("30 2 * * * 15", "every day at 02:30:15"),
        ("0 0 10/5 * *", "on day 10 and every fifth after it of the month at 00:00"),
        ("1/5 * * * *", "at minute 1 and every fifth after it"),
        ("0-30/10 * * * *", "at minute 0 to 30 in steps of 10"),
        ("0 12 * */6 *", "in every 6th month at 12:00"),
    ],
)
def test_expressions_in_words(expression: str, words: str) -> None:
    assert describe_cron(expression) == words
