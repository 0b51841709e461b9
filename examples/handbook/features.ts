/** The handbook's declarations as a repository: `--features` of commands, `-c features=` of a deployment. */
import { featureRepository } from 'fraud-feature-store';
import { handbookFeatures } from './declarations.ts';

export const repository = featureRepository(handbookFeatures());
