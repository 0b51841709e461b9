import type {
  APIGatewayProxyEventV2,
  APIGatewayProxyEventV2WithIAMAuthorizer,
  APIGatewayProxyStructuredResultV2,
} from 'aws-lambda';
import { parseJson, repeatedKeyOf } from '../../shared/definitions/json.ts';
import { LIMITS } from '../../shared/limits.ts';
import { invalid, ProblemError } from './problems.ts';

/** Where requests are signed, it says by whom. */
export type HttpRequest = APIGatewayProxyEventV2 | APIGatewayProxyEventV2WithIAMAuthorizer;
export type HttpAnswer = APIGatewayProxyStructuredResultV2;

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * The decoded JSON of a request's body. Its content type is not looked at: JSON is all that is understood, and it is
 * UTF-8 whatever a header says (RFC 8259).
 * @throws ProblemError `body-too-large`, `invalid-json`, or `validation` when there is none, or a key in it
 * occurs twice.
 */
export function jsonBodyOf(request: HttpRequest, { bytesMaximum }: { readonly bytesMaximum: number }): unknown {
  const { body = '', isBase64Encoded } = request;
  if (body === '') throw invalid([{ field: '', problem: 'The body is empty; send a JSON object.' }]);
  const bytes = isBase64Encoded ? Math.floor((body.length * 3) / 4) : Buffer.byteLength(body);
  if (bytes > bytesMaximum) {
    const detail = `The body has ${bytes} bytes; at most ${bytesMaximum} are allowed.`;
    throw new ProblemError('body-too-large', detail);
  }
  const { text, value } = parsed(request, body);
  const repeated = repeatedKeyOf(text, { everywhere: true });
  if (repeated === undefined) return value;
  throw invalid([{ field: repeated, problem: 'occurs twice; say which value is meant' }]);
}

function parsed({ isBase64Encoded }: HttpRequest, body: string): { readonly text: string; readonly value: unknown } {
  try {
    const text = isBase64Encoded ? decodedBase64(body) : body;
    return { text, value: parseJson(text) };
  } catch {
    // The parser's message would repeat parts of the body.
    throw new ProblemError('invalid-json', `Send one JSON value in UTF-8, of at most ${LIMITS.jsonDepth} levels.`);
  }
}

/** @throws SyntaxError for what is not base 64, TypeError for what is not UTF-8. */
function decodedBase64(text: string): string {
  // Node's decoder passes over what it does not understand.
  if (text.length % 4 !== 0 || !BASE64.test(text)) throw new SyntaxError('not base 64');
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'base64'));
}

/** The principal that signed a request; `undefined` where nobody signs. */
export function callerOf({ requestContext }: HttpRequest): string | undefined {
  return requestContext !== undefined && 'authorizer' in requestContext
    ? requestContext.authorizer?.iam?.userArn
    : undefined;
}

export function jsonAnswer(statusCode: number, body: object): HttpAnswer {
  return { statusCode, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
