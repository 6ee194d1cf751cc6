import { clsx, type ClassValue } from "clsx";

/** Joins class names; falsy ones are left out. */
export function classes(...names: ClassValue[]): string {
  return clsx(names);
}
