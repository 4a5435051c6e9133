-- How the agent showed who it was; NULL = it did not, or older software wrote the row.
ALTER TABLE sessions ADD COLUMN proof TEXT;
