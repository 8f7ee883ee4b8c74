// MusterSets
