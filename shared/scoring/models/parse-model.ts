import { parseLightgbm } from './lightgbm.ts';
import type { Model, ModelFormat } from './model.ts';
import { parseLogisticRegression, parseSklearnTrees } from './scikit-learn.ts';
import { parseXgboost } from './xgboost.ts';

/**
 * A model from its file's text, which may be anything.
 * @param referenceMeans mean of each input in the training set: what a linear model's contributions are measured from.
 * @throws ModelError saying what is wrong with the file and what to do.
 */
export function parseModel(format: ModelFormat, text: string, referenceMeans?: readonly number[]): Model {
  switch (format) {
    case 'xgboost-json':
      return parseXgboost(text);
    case 'lightgbm-text':
      return parseLightgbm(text);
    case 'sklearn-trees':
      return parseSklearnTrees(text);
    case 'logistic-regression':
      return parseLogisticRegression(text, referenceMeans);
  }
}
