/** A model package into a deployment, and a configuration by which it decides: what `model push` and `config set` do. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { S3Client } from '@aws-sdk/client-s3';
import { S3ObjectStore } from '../functions/s3-object-store.ts';
import type { FeatureRepository } from '../shared/registry/manifest.ts';
import { parseConfiguration } from '../shared/scoring/configuration.ts';
import { activate, modelObjectName } from '../shared/scoring/decision-store.ts';
import { type LoadedModel, readModelPackage } from '../shared/scoring/package.ts';
import { decide } from './api-client.ts';
import { LocalEnvironmentError, PROJECT_ROOT } from './child-process.ts';
import type { Deployment } from './deploy.ts';
import { clientConfigurationOf, s3EndpointOf } from './endpoint.ts';

/** The model that ships: `npm run train -- --ship` makes it. */
export const SHIPPED_MODEL = join(PROJECT_ROOT, 'localstack', 'models', 'boosted_trees@1.json.gz');

/** @throws ModelPackageError when the package does not fit what is declared. */
export async function activateModel(options: {
  readonly deployment: Pick<Deployment, 'endpoint' | 'decisionsBucketName'>;
  readonly repository: FeatureRepository;
  readonly file: string;
}): Promise<LoadedModel> {
  const { deployment, repository, file } = options;
  const bytes = await readFile(file);
  const model = readModelPackage(bytes, repository);
  const service = repository.services.find(({ key }) => key === model.document.service);
  if (service === undefined)
    throw new LocalEnvironmentError(`${file} is for ${model.document.service}, which is not declared`);
  const { endpoint, decisionsBucketName: bucketName } = deployment;
  const client = new S3Client({ ...clientConfigurationOf(s3EndpointOf(endpoint)), forcePathStyle: true });
  try {
    const store = new S3ObjectStore({ client, bucketName });
    // Packages never change, but on this machine a model that was trained again keeps its version.
    await store.put(modelObjectName(service, model.key), bytes);
    const configuration = { model: model.key, note: 'set for a run on this machine' };
    await activate(store, service, parseConfiguration(configuration, service));
    return model;
  } finally {
    client.destroy();
  }
}

/** How long a new deployment may take until it decides by its model. */
const READY_WITHIN_MILLIS = 60_000;

/**
 * A configuration is looked for now and then: the first answers of a new deployment may still be without its model.
 * @returns how many answers it took.
 */
export async function untilModelDecides(apiUrl: string, model: string): Promise<number> {
  const untilMillis = Date.now() + READY_WITHIN_MILLIS;
  const nobody = { transaction_id: 'nobody-1', user_id: 'nobody', merchant_id: 'nobody', amount: 1 };
  for (let answers = 1; Date.now() < untilMillis; answers++) {
    const answer = await decide(apiUrl, { ...nobody, timestamp: Date.now() }, { mode: 'read-only' });
    if (answer.model === model && answer.score !== null) return answers;
    await delay(500);
  }
  throw new LocalEnvironmentError(`The deployment does not decide by ${model}; see .local/ministack.log`);
}
