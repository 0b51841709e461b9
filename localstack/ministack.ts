/**
 * MiniStack: an AWS endpoint for this machine that needs neither Docker nor an account, on LocalStack's port and paths.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  answersHttp,
  canRun,
  isPortInUse,
  LOCAL_DIRECTORY,
  LocalEnvironmentError,
  type LocalServer,
  run,
  startServer,
} from './child-process.ts';
import { withLock } from './lock.ts';

const VERSION = '1.5.33';
const INSTALL_DIRECTORY = join(LOCAL_DIRECTORY, 'ministack');
const PROGRAM = join(INSTALL_DIRECTORY, 'bin', 'ministack');
/** Written last, so that an interrupted installation is not mistaken for a complete one. */
const INSTALLED_MARK = join(INSTALL_DIRECTORY, `installed-${VERSION}`);

const OLDEST_PYTHON = [3, 11] as const;
const PYTHONS = ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11'];

export const DEFAULT_PORT = 4566;

export function isMiniStackInstalled(): boolean {
  return existsSync(INSTALLED_MARK) && existsSync(PROGRAM);
}

/** Installs MiniStack into `.local/ministack`, unless it is there. @throws LocalEnvironmentError without Python or net. */
export async function installMiniStack(): Promise<void> {
  if (isMiniStackInstalled()) return;
  // Several test files may come here at once, and an environment of Python cannot be moved into its place when it is done.
  await withLock(`${INSTALL_DIRECTORY}.lock`, install);
}

async function install(): Promise<void> {
  if (isMiniStackInstalled()) return;
  const python = await findPython();
  const pip = join(INSTALL_DIRECTORY, 'bin', 'pip');
  try {
    await run(python, ['-m', 'venv', '--clear', INSTALL_DIRECTORY]);
    await run(pip, ['install', '--quiet', `ministack[full]==${VERSION}`]);
    await run('touch', [INSTALLED_MARK]);
  } catch (cause) {
    const message = `MiniStack could not be installed into ${INSTALL_DIRECTORY}: check the package index of pip (PyPI), and that Python has its venv module (Debian: apt-get install python3-venv)`;
    throw new LocalEnvironmentError(message, { cause });
  }
}

async function findPython(): Promise<string> {
  const isNewEnough = `import sys; sys.exit(sys.version_info < (${OLDEST_PYTHON.join(', ')}))`;
  for (const python of PYTHONS) {
    if (await canRun(python, ['-c', isNewEnough])) return python;
  }
  throw new LocalEnvironmentError(
    `MiniStack needs Python ${OLDEST_PYTHON.join('.')} or newer as python3 on PATH; install it, or use a running endpoint with --endpoint`,
  );
}

/**
 * Installs MiniStack when needed and starts it with nothing in it. Nothing is kept when it stops.
 * @param options.directory where its log goes. Default `.local`.
 * @param options.checksPermissions signatures and policies of IAM are checked. Default: they are not.
 * @throws LocalEnvironmentError when the port is taken or it cannot start.
 */
export async function startMiniStack(
  options: { readonly port?: number; readonly directory?: string; readonly checksPermissions?: boolean } = {},
): Promise<LocalServer> {
  const { port = DEFAULT_PORT, directory = LOCAL_DIRECTORY, checksPermissions = false } = options;
  if (await isPortInUse(port)) {
    throw new LocalEnvironmentError(
      `Port ${port} is in use: stop what listens there, choose another with --port, or use it with --endpoint http://localhost:${port}`,
    );
  }
  await installMiniStack();
  const endpoint = `http://localhost:${port}`;
  return startServer({
    name: 'MiniStack',
    command: PROGRAM,
    arguments: [],
    environment: {
      GATEWAY_PORT: String(port),
      BIND_HOST: '127.0.0.1',
      AUTH: String(checksPermissions),
      PERSIST_STATE: '0',
      S3_PERSIST: '0',
      // Servers that nothing here uses, on ports of their own.
      IOT_MTLS_ENABLED: '0',
      SFTP_ENABLED: '0',
      // Functions reach the endpoint through this variable, on whichever port it is.
      AWS_ENDPOINT_URL: endpoint,
    },
    logFile: join(directory, 'ministack.log'),
    endpoint,
    isReady: () => answersHttp(`${endpoint}/_ministack/health`, { expectsSuccess: true }),
    readyWithinMillis: 30_000,
  });
}
