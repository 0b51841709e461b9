import { ENV } from './constants.ts';

/** Thrown at start when the function's environment is incomplete. Names the variable. */
export class MissingEnvironmentError extends Error {
  override readonly name = 'MissingEnvironmentError';
}

/** The value of an environment variable. @throws MissingEnvironmentError naming it when it is unset or empty. */
export function requireEnvironment(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') {
    throw new MissingEnvironmentError(
      `The environment variable ${name} is not set; the stack that deploys this function sets it.`,
    );
  }
  return value;
}

/** Whether this stage is production: unless it is said that it is not. */
export function isProduction(): boolean {
  return process.env[ENV.production] !== 'false';
}
