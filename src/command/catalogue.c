/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/command/catalogue.h"

#include <stdlib.h>

#include "pomona/base/compiler.h"

#define NEVER_NOTNOW .is_never_notnow = true
#define URGENT .is_urgent = true
#define QUERY .is_query = true

/* In byte order, for bsearch(3). A device may answer NotNow to all that do not say otherwise. */
static const struct catalogue_row rows[] = {
	{.request_type = "AccountConfiguration"},
	{.request_type = "ActivationLockBypassCode", NEVER_NOTNOW},
	{.request_type = "ActiveNSExtensions", QUERY},
	{.request_type = "ApplyRedemptionCode"},
	{.request_type = "AvailableOSUpdates", QUERY},
	{.request_type = "CancelEnhancedLogCollection"},
	{.request_type = "CertificateList", NEVER_NOTNOW, QUERY},
	{.request_type = "ClearActivationLockBypassCode", NEVER_NOTNOW},
	{.request_type = "ClearPasscode", NEVER_NOTNOW},
	{.request_type = "ClearRestrictionsPassword"},
	{.request_type = "ContentCachingInformation", QUERY},
	{.request_type = "DeclarativeManagement"},
	{.request_type = "DeleteUser", NEVER_NOTNOW},
	{.request_type = "DeviceConfigured"},
	{.request_type = "DeviceInformation", NEVER_NOTNOW, QUERY},
	{.request_type = "DeviceLocation"},
	{.request_type = "DeviceLock", NEVER_NOTNOW, URGENT},
	{.request_type = "DisableLostMode"},
	{.request_type = "DisableRemoteDesktop"},
	{.request_type = "EnableLostMode"},
	{.request_type = "EnableRemoteDesktop"},
	{.request_type = "EraseDevice", NEVER_NOTNOW, URGENT},
	{.request_type = "InstallApplication"},
	{.request_type = "InstallEnterpriseApplication"},
	{.request_type = "InstallMedia"},
	{.request_type = "InstallProfile"},
	{.request_type = "InstallProvisioningProfile"},
	{.request_type = "InstalledApplicationList", NEVER_NOTNOW, QUERY},
	{.request_type = "InviteToProgram"},
	{.request_type = "LOMDeviceRequest"},
	{.request_type = "LOMSetupRequest"},
	{.request_type = "LogOutUser"},
	{.request_type = "ManagedApplicationAttributes", QUERY},
	{.request_type = "ManagedApplicationConfiguration", QUERY},
	{.request_type = "ManagedApplicationFeedback"},
	{.request_type = "ManagedApplicationList", QUERY},
	{.request_type = "ManagedMediaList", QUERY},
	{.request_type = "NSExtensionMappings", QUERY},
	{.request_type = "OSUpdateStatus", QUERY},
	{.request_type = "PlayLostModeSound"},
	{.request_type = "ProfileList", NEVER_NOTNOW, QUERY},
	{.request_type = "ProvisioningProfileList", NEVER_NOTNOW, QUERY},
	{.request_type = "RefreshCellularPlans"},
	{.request_type = "RemoveApplication"},
	{.request_type = "RemoveMedia"},
	{.request_type = "RemoveProfile"},
	{.request_type = "RemoveProvisioningProfile"},
	{.request_type = "RequestMirroring"},
	{.request_type = "RequestUnlockToken"},
	{.request_type = "RestartDevice", NEVER_NOTNOW},
	{.request_type = "Restrictions", NEVER_NOTNOW, QUERY},
	{.request_type = "RotateFileVaultKey"},
	{.request_type = "ScheduleOSUpdate"},
	{.request_type = "ScheduleOSUpdateScan"},
	{.request_type = "SecurityInfo", QUERY},
	{.request_type = "SetAutoAdminPassword"},
	{.request_type = "SetFirmwarePassword"},
	{.request_type = "SetRecoveryLock"},
	{.request_type = "Settings"},
	{.request_type = "ShutDownDevice", NEVER_NOTNOW},
	{.request_type = "StopMirroring"},
	{.request_type = "TriggerEnhancedLogCollection"},
	{.request_type = "UnlockUserAccount", NEVER_NOTNOW},
	{.request_type = "UserConfigured"},
	{.request_type = "UserList", NEVER_NOTNOW, QUERY},
	{.request_type = "ValidateApplications"},
	{.request_type = "VerifyFirmwarePassword"},
	{.request_type = "VerifyRecoveryLock"},
};

static int compare(const void *key, const void *element)
{
	const struct slice *request_type = key;
	const struct catalogue_row *row = element;

	return slice_compare(*request_type, slice_of_str(row->request_type));
}

const struct catalogue_row *catalogue_find(struct slice request_type)
{
	return bsearch(&request_type, rows, COUNT_OF(rows), sizeof(rows[0]), compare);
}

const struct catalogue_row *catalogue_rows(size_t *count_r)
{
	*count_r = COUNT_OF(rows);
	return rows;
}
