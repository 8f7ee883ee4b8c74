-- What users did and bought.
SELECT;
