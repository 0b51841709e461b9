/** The file that a library trained, whatever somebody takes for one. */
import { readFile } from 'node:fs/promises';
import { LIMITS } from '../../shared/limits.ts';
import { type Model, ModelError, type ModelFormat } from '../../shared/scoring/models/model.ts';
import { parseModel } from '../../shared/scoring/models/parse-model.ts';
import { UserError } from '../user-error.ts';

export interface ModelFile {
  readonly format: ModelFormat;
  readonly text: string;
  readonly model: Model;
}

const EXPORTER = 'python cli/python/export_sklearn.py';
const PICKLE_NAMES = /\.(?:pkl|pickle|joblib|sav|skops)$/i;
/** Of pickles since version 2, and of what joblib compresses. */
const PICKLE_BEGINNINGS = [[0x80], [0x78], [0x1f, 0x8b]];
/** Enough of a file to tell what it is. */
const HEAD_CHARACTERS = 4_096;

/** @throws UserError naming what the file is, and how to write one that can be scored. */
export async function readModelFile(path: string): Promise<ModelFile> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new UserError(`the file ${path} cannot be read; look at its name`, { cause });
  });
  if (bytes.length > LIMITS.modelFileBytes) {
    throw new UserError(
      `${path} has ${bytes.length} bytes, and may have ${LIMITS.modelFileBytes}; train a smaller model`,
    );
  }
  const isPickle = PICKLE_BEGINNINGS.some((beginning) => beginning.every((byte, index) => bytes[index] === byte));
  if (isPickle || PICKLE_NAMES.test(path)) {
    throw new UserError(
      `${path} is a pickle of Python objects, which nothing but Python can read. Of scikit-learn: ${EXPORTER} ${path} model.json; ` +
        "of XGBoost: save_model('model.json'); of LightGBM: booster_.save_model('model.txt')",
    );
  }
  // A length comes before each key.
  if (bytes[0] === 0x7b && bytes[1] === 0x4c) throw unknownFile(path, "is XGBoost's binary form, UBJSON");
  const text = textOf(bytes, path);
  const format = formatOf(text.slice(0, HEAD_CHARACTERS), path);
  try {
    return { format, text, model: parseModel(format, text) };
  } catch (error) {
    if (error instanceof ModelError) throw new UserError(`${path}: ${error.message}`, { cause: error });
    throw error;
  }
}

function textOf(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw unknownFile(path, 'is no text', cause);
  }
}

function formatOf(head: string, path: string): ModelFormat {
  if (/^tree\s/.test(head)) return 'lightgbm-text';
  const [, exported] = /^\s*\{\s*"format"\s*:\s*"(logistic-regression|sklearn-trees)"/.exec(head) ?? [];
  if (exported === 'logistic-regression' || exported === 'sklearn-trees') return exported;
  if (/^\s*\{[\s\S]*"learner"\s*:/.test(head)) return 'xgboost-json';
  throw unknownFile(path, 'is no model that can be scored');
}

function unknownFile(path: string, what: string, cause?: unknown): UserError {
  return new UserError(
    `${path} ${what}. Give what XGBoost writes by save_model('model.json'), LightGBM by save_model('model.txt'), or ` +
      `${EXPORTER} of a model of scikit-learn`,
    { cause },
  );
}
