/**
 * The vocabulary in which the window engine talks to a store: an item is a flat set of named attributes and an update
 * is a list of attribute changes that happen together or not at all.
 *
 * The attribute shapes are those of DynamoDB's wire format, so that its adapter copies nothing, but nothing here
 * depends on its SDK.
 */

/** A stored value. `N` is a decimal number as text (exact to 38 digits), `SS` a non-empty set of strings, `B` bytes. */
export type Attribute =
  | { readonly N: string }
  | { readonly S: string }
  | { readonly SS: readonly string[] }
  | { readonly B: Uint8Array }
  | { readonly L: readonly Attribute[] };

/** An item without its key: attribute name → value. Unknown names are legal and ignored by readers. */
export type Item = Readonly<Record<string, Attribute>>;

/** What must hold of the stored item, at the moment of the update, for the update to happen. */
export type Condition =
  /** The attribute does not exist. */
  | { readonly kind: 'absent'; readonly name: string }
  /** The attribute exists with exactly this value. */
  | { readonly kind: 'equals'; readonly name: string; readonly value: Attribute }
  /** The attribute does not exist, or is a number ≤ `value`. */
  | { readonly kind: 'absentOrAtMost'; readonly name: string; readonly value: string }
  /** The attribute does not exist, or is a number ≥ `value`. */
  | { readonly kind: 'absentOrAtLeast'; readonly name: string; readonly value: string }
  /** The attribute is a number in the closed range `low … high`. */
  | { readonly kind: 'between'; readonly name: string; readonly low: string; readonly high: string }
  /** The attribute does not exist, or is a string set without this member. */
  | { readonly kind: 'lacksMember'; readonly name: string; readonly member: string };

/** One atomic change of one item. An attribute is named in at most one of `add`, `set` and `remove`. */
export interface ItemUpdate {
  /** Numbers are added to (from 0), string sets are united with (from ∅). */
  readonly add: Readonly<Record<string, { readonly N: string } | { readonly SS: readonly string[] }>>;
  readonly set: Item;
  readonly remove: readonly string[];
  /** All must hold. */
  readonly conditions: readonly Condition[];
}
