/** What the walk calls its files and its model. */
export const TRAINING_SET = 'training.parquet';
/** The manifest of the same training set as the API made it. */
export const API_MANIFEST = 'api.manifest.json';
export const MODEL = 'takeover_trees@1';
export const PACKAGE = `${MODEL}.json.gz`;
