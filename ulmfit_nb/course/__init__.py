"What only the chapters need: widgets, checks of exercises, records of runs, the study of forgetting."
