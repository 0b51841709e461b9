/** Of zod what schemas of events use: the whole of it would bring its messages in forty languages into every function. */
export {
  boolean,
  email,
  enum,
  float64,
  type infer,
  int,
  ipv4,
  ipv6,
  iso,
  nullable,
  number,
  object,
  optional,
  strictObject,
  string,
  uuid,
} from 'zod';
