/** What `training-set --features` loads: the handbook's features, as the verification declares them. */
import { featureRepository } from '../../shared/registry/manifest.ts';
import { customerSpending, handbookService, terminalRisk } from '../../test/handbook/declarations.ts';

export const repository = featureRepository({ views: [customerSpending, terminalRisk], services: [handbookService] });
