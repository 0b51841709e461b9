import { DefinitionError } from '../shared/definitions/error.ts';
import { AuditSourceError } from '../shared/offline/audit/audit-source.ts';
import { HistoryError } from '../shared/offline/embedded/errors.ts';
import { SpineError } from '../shared/offline/offline-store.ts';
import { FeaturesModuleError } from '../shared/registry/load-repository.ts';
import { StoreConfigError } from '../shared/registry/store-config.ts';
import { ConfigurationError } from '../shared/scoring/configuration.ts';
import { ObjectTooLargeError } from '../shared/scoring/decision-store.ts';
import { ModelPackageError } from '../shared/scoring/package.ts';

/** Thrown when what the user asked for cannot be done as asked. One sentence that says what to change. */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** Whether the user can do something about an error: its message is enough, and a stack would only hide it. */
export function isForUser(error: unknown): error is Error {
  return [
    UserError,
    SpineError,
    HistoryError,
    DefinitionError,
    FeaturesModuleError,
    StoreConfigError,
    AuditSourceError,
    ConfigurationError,
    ModelPackageError,
    ObjectTooLargeError,
  ].some((type) => error instanceof type);
}
