/**
 * A package from what a library trained and the training set that it learned from, for any service.
 *
 * 1. The manifest says of which service the training set is, and by which definitions its features were computed.
 * 2. The model's file says what its inputs are, in which order. Each must be one of the service.
 * 3. The rows of the training set say how each input was distributed.
 * 4. The package is read as serving functions read it, and scores some of those rows, before it is written.
 */
import { readFile } from 'node:fs/promises';
import type { FeatureService } from '../../shared/definitions/service.ts';
import { manifestPathOf } from '../../shared/offline/embedded/embedded-offline-store.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import {
  definitionsOfInputs,
  inputTypes,
  type LoadedModel,
  type ModelDocument,
  type ModelInput,
  PACKAGE_VERSION,
  readModelPackage,
  TrainingSet,
  writeModelPackage,
} from '../../shared/scoring/package.ts';
import { repositoryOf } from '../repository.ts';
import { isS3 } from '../s3.ts';
import { UserError } from '../user-error.ts';
import { writeOutput } from '../write-output.ts';
import { type ModelFile, readModelFile } from './model-file.ts';
import { readTrainingRows, type TrainingRows } from './training-rows.ts';

export interface PackageOptions {
  readonly model: string;
  readonly trainingSet: string;
  /** By default beside the training set. */
  readonly manifest?: string;
  /** Of the training set, the rows that it learned from: `column=value`. */
  readonly rows?: string;
  readonly name: string;
  readonly version: number;
  readonly output: string;
  /** Names of the inputs, where the model's file has none. */
  readonly inputs?: string;
  /** `feature=number` each, or a number for all others. */
  readonly imputation?: readonly string[];
  readonly review?: number;
  readonly block?: number;
  readonly notes?: string;
  readonly features?: string;
}

export interface PackageSummary {
  readonly loaded: LoadedModel;
  readonly bytes: number;
  /** Rows that were scored, and between which scores. */
  readonly scored: { readonly rows: number; readonly lowest: number; readonly highest: number };
}

/** Writes a package. @throws UserError, ModelPackageError when serving functions could not use it; nothing is written then. */
export async function packageModel(options: PackageOptions): Promise<PackageSummary> {
  if (isS3(options.trainingSet)) {
    throw new UserError(`--training-set ${options.trainingSet}: copy it and its manifest here first, by aws s3 cp`);
  }
  const repository = await repositoryOf(options);
  const manifest = await readManifest(options.manifest ?? manifestPathOf(options.trainingSet));
  const service = serviceOf(manifest, repository);
  const file = await readModelFile(options.model);
  const inputs = inputsOf(file, service, repository, options);
  const rows = await readTrainingRows(options.trainingSet, inputs, options);
  const document: Omit<ModelDocument, 'modelSha256'> = {
    packageVersion: PACKAGE_VERSION,
    name: options.name,
    version: options.version,
    service: service.key,
    registryVersion: manifest.registryVersion,
    definitions: definitionsOf(manifest, service, inputs, repository),
    inputs: [...inputs],
    format: file.format,
    thresholds: {
      ...(options.review !== undefined && { review: options.review }),
      ...(options.block !== undefined && { block: options.block }),
    },
    trainingSet: manifest,
    reference: rows.reference,
    createdAt: new Date().toISOString(),
    ...(options.notes !== undefined && { notes: options.notes }),
  };
  const bytes = writeModelPackage(document, file.text);
  const loaded = readModelPackage(bytes, repository);
  const scored = scoreOf(loaded, rows);
  await writeOutput(options.output, bytes);
  return { loaded, bytes: bytes.length, scored };
}

type Manifest = ReturnType<typeof TrainingSet.parse>;

async function readManifest(path: string): Promise<Manifest> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new UserError(
      `there is no manifest ${path}; "training-set" writes it beside its Parquet. Name it with --manifest`,
      { cause },
    );
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new UserError(`the manifest ${path} is not JSON; give the one that "training-set" wrote`, { cause });
  }
  const parsed = TrainingSet.safeParse(json);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new UserError(`${path} is no manifest of a training set: look at "${field}", or make the training set again`);
}

function serviceOf(manifest: Manifest, { services }: FeatureRepository): FeatureService {
  const found = services.find(({ key }) => key === manifest.service);
  if (found) return found;
  throw new UserError(
    `the training set is of service ${manifest.service}, and the declared ones are ${services.map(({ key }) => key).join(', ')}; ` +
      'name their module with --features, or make a training set of one of these',
  );
}

function inputsOf(
  { model }: ModelFile,
  service: FeatureService,
  repository: FeatureRepository,
  options: PackageOptions,
): readonly ModelInput[] {
  const names = namesOf(model, options);
  const imputations = imputationsOf(options.imputation ?? [], names);
  const types = inputTypes(service);
  return names.map((feature) => {
    const type = types.get(feature);
    if (type === undefined) throw strangeInput(feature, service, repository);
    if (type !== 'number' && type !== 'boolean') {
      throw new UserError(`input ${feature} is ${type} in ${service.key}; models take numbers and booleans`);
    }
    return { feature, type, imputation: imputations.get(feature) ?? imputations.get('') ?? null };
  });
}

function namesOf({ inputNames, inputCount }: ModelFile['model'], { inputs, model }: PackageOptions): readonly string[] {
  const asked = inputs?.split(',').map((name) => name.trim());
  const names = asked ?? inputNames;
  if (names === undefined) {
    throw new UserError(
      `${model} does not name its ${inputCount} inputs; name them in the order of the training: --inputs amount,… ` +
        '(files have names where a model is trained with a DataFrame)',
    );
  }
  if (names.length === inputCount) return names;
  throw new UserError(`--inputs has ${names.length} names, and ${model} has ${inputCount} inputs; name all of them`);
}

/** By input; that of all others by `''`. */
function imputationsOf(entries: readonly string[], names: readonly string[]): ReadonlyMap<string, number> {
  return new Map(
    entries.map((entry) => {
      const separator = entry.lastIndexOf('=');
      const [feature, text] = [entry.slice(0, Math.max(0, separator)), entry.slice(separator + 1).trim()];
      const value = text === '' ? Number.NaN : Number(text);
      if (!Number.isFinite(value)) {
        throw new UserError(`--imputation ${entry}: write INPUT=NUMBER, or a number for all other inputs`);
      }
      if (feature !== '' && !names.includes(feature)) {
        throw new UserError(`--imputation ${entry}: the model has no input "${feature}"; it has ${names.join(', ')}`);
      }
      return [feature, value] as const;
    }),
  );
}

function strangeInput(feature: string, service: FeatureService, { services }: FeatureRepository): UserError {
  const other = services.find((one) => inputTypes(one).has(feature));
  return new UserError(
    other
      ? `input ${feature} is one of ${other.key}, and the training set is of ${service.key}; train with what one service has`
      : `input ${feature} is no field, feature or derived feature of ${service.key}; declare it, or train without it`,
  );
}

/** As they were when the training set was made; the package is refused where one of them has changed. */
function definitionsOf(
  { definitions, registryVersion }: Manifest,
  service: FeatureService,
  inputs: readonly ModelInput[],
  repository: FeatureRepository,
): Record<string, string> {
  if (definitions === undefined) {
    if (registryVersion === repository.registryVersion) return definitionsOfInputs(service, inputs);
    throw new UserError(
      `the manifest does not say by which definitions its features were computed, and the declarations have changed since ` +
        `(${registryVersion}, today ${repository.registryVersion}); make the training set again`,
    );
  }
  return Object.fromEntries(
    inputs.flatMap(({ feature }) => {
      const definition = definitions[feature];
      return definition === undefined ? [] : [[feature, definition]];
    }),
  );
}

function scoreOf(loaded: LoadedModel, { some }: TrainingRows): PackageSummary['scored'] {
  const scores = some.map((row) => loaded.score(loaded.vector(row)));
  const wrong = scores.findIndex((score) => !(score >= 0 && score <= 1));
  if (wrong !== -1) {
    throw new UserError(
      `row ${wrong + 1} of the training rows has the score ${scores[wrong]}, which is no probability; train the model again`,
    );
  }
  return { rows: scores.length, lowest: Math.min(...scores), highest: Math.max(...scores) };
}
