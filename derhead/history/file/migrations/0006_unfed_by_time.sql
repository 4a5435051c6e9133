-- Which of what was not fed holds old samples; the oldest of them.
CREATE INDEX unfed_by_time ON unfed (oldest_ts_us);
