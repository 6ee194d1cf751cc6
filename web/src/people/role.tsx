import type { Role } from "@latchkey/client";
import { BriefcaseBusiness, KeyRound, User, Users, type LucideIcon } from "lucide-react";
import { useText } from "../text/text";

const shapes: Record<Role, LucideIcon> = {
  admin: KeyRound,
  manager: Users,
  employee: BriefcaseBusiness,
  client: User,
};

/** A role by a shape and a word. */
export function RoleBadge({ role }: { role: Role }) {
  const text = useText();
  const Shape = shapes[role];
  return (
    <span className="inline-flex items-center gap-1.5 rounded-full border border-edge bg-sunken px-3 py-1 text-small font-medium">
      <Shape size={16} aria-hidden="true" className="text-brass-text" />
      {text.roles[role]}
    </span>
  );
}
