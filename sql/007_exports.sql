-- Exports that run in the background, and sizes of segments by day.
SELECT;
