import { Heading } from "../../people/screen";
import { useText } from "../../text/text";
import { Activity } from "./activity";
import { ChangePassword } from "./change-password";
import { Devices } from "./devices";

export function Component() {
  const text = useText();
  return (
    <div className="space-y-6">
      <Heading title={text.securityTitle} />
      <Devices />
      <div className="grid items-start gap-6 lg:grid-cols-2">
        <ChangePassword />
        <Activity />
      </div>
    </div>
  );
}
