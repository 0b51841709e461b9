/** The handbook's declarations as a repository: `--features` of commands, `-c features=` of a deployment. */
import { featureRepository } from '../../shared/registry/manifest.ts';
import { handbookFeatures } from './declarations.ts';

export const repository = featureRepository(handbookFeatures());
