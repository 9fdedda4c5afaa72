/*
 * What GET /config/client says: all that version 5.37 says, every value a
 * string, with the few that a test may change.
 */
#include "mattermost.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char	*key, *value;
} fixed[] = {
	{ "AboutLink", "https://about.mattermost.com/default-about/" },
	{ "AllowBannerDismissal", "false" },
	{ "AllowCustomThemes", "true" },
	{ "AllowedThemes", "" },
	{ "AndroidAppDownloadLink",
	    "https://about.mattermost.com/mattermost-android-app/" },
	{ "AndroidLatestVersion", "" },
	{ "AndroidMinVersion", "" },
	{ "AppDownloadLink",
	    "https://mattermost.com/download/#mattermostApps" },
	{ "AsymmetricSigningPublicKey", "" },
	{ "AvailableLocales", "" },
	{ "BannerColor", "" },
	{ "BannerText", "" },
	{ "BannerTextColor", "" },
	{ "BuildDate", "" },
	{ "BuildEnterpriseReady", "" },
	{ "BuildHash", "" },
	{ "BuildHashEnterprise", "" },
	{ "BuildNumber", "" },
	{ "CWSUrl", "" },
	{ "CloseUnusedDirectMessages", "false" },
	{ "CloudUserLimit", "0" },
	{ "CollapsedThreads", "disabled" },
	{ "CustomBrandText", "" },
	{ "CustomDescriptionText", "" },
	{ "CustomUrlSchemes", "" },
	{ "DataRetentionEnableFileDeletion", "false" },
	{ "DataRetentionEnableMessageDeletion", "false" },
	{ "DataRetentionFileRetentionDays", "0" },
	{ "DataRetentionMessageRetentionDays", "0" },
	{ "DefaultClientLocale", "en" },
	{ "DefaultTheme", "" },
	{ "DesktopLatestVersion", "" },
	{ "DesktopMinVersion", "" },
	{ "DiagnosticId", "" },
	{ "DiagnosticsEnabled", "false" },
	{ "EmailLoginButtonBorderColor", "#2389D7" },
	{ "EmailLoginButtonColor", "#0000" },
	{ "EmailLoginButtonTextColor", "#2389D7" },
	{ "EmailNotificationContentsType", "full" },
	{ "EnableAskCommunityLink", "true" },
	{ "EnableBanner", "false" },
	{ "EnableBotAccountCreation", "true" },
	{ "EnableChannelViewedMessages", "true" },
	{ "EnableCluster", "false" },
	{ "EnableCommands", "true" },
	{ "EnableCompliance", "false" },
	{ "EnableConfirmNotificationsToChannel", "true" },
	{ "EnableCustomBrand", "false" },
	{ "EnableCustomEmoji", "true" },
	{ "EnableCustomUserStatuses", "true" },
	{ "EnableDeveloper", "false" },
	{ "EnableDiagnostics", "false" },
	{ "EnableEmailBatching", "false" },
	{ "EnableEmailInvitations", "true" },
	{ "EnableEmojiPicker", "true" },
	{ "EnableFile", "false" },
	{ "EnableFileAttachments", "true" },
	{ "EnableGifPicker", "true" },
	{ "EnableGuestAccounts", "false" },
	{ "EnableIncomingWebhooks", "true" },
	{ "EnableLatex", "true" },
	{ "EnableLdap", "false" },
	{ "EnableLegacySidebar", "false" },
	{ "EnableLinkPreviews", "true" },
	{ "EnableMarketplace", "false" },
	{ "EnableMetrics", "false" },
	{ "EnableMobileFileDownload", "true" },
	{ "EnableMobileFileUpload", "true" },
	{ "EnableMultifactorAuthentication", "false" },
	{ "EnableOAuthServiceProvider", "false" },
	{ "EnableOpenServer", "true" },
	{ "EnableOutgoingWebhooks", "true" },
	{ "EnablePostIconOverride", "false" },
	{ "EnablePostUsernameOverride", "true" },
	{ "EnablePreviewFeatures", "true" },
	{ "EnablePreviewModeBanner", "false" },
	{ "EnablePublicLink", "false" },
	{ "EnableSVGs", "true" },
	{ "EnableSaml", "false" },
	{ "EnableSignInWithEmail", "true" },
	{ "EnableSignInWithUsername", "true" },
	{ "EnableSignUpWithEmail", "true" },
	{ "EnableSignUpWithGitLab", "false" },
	{ "EnableSignUpWithGoogle", "false" },
	{ "EnableSignUpWithOffice365", "false" },
	{ "EnableSignUpWithOpenId", "false" },
	{ "EnableTesting", "false" },
	{ "EnableThemeSelection", "true" },
	{ "EnableTutorial", "true" },
	{ "EnableUserAccessTokens", "true" },
	{ "EnableUserCreation", "true" },
	{ "EnableUserDeactivation", "false" },
	{ "EnableUserTypingMessages", "true" },
	{ "EnableXToLeaveChannelsFromLHS", "false" },
	{ "EnforceMultifactorAuthentication", "false" },
	{ "ExperimentalChannelOrganization", "false" },
	{ "ExperimentalCloudBilling", "false" },
	{ "ExperimentalCloudUserLimit", "0" },
	{ "ExperimentalEnableAuthenticationTransfer", "true" },
	{ "ExperimentalEnableAutomaticReplies", "false" },
	{ "ExperimentalEnableClickToReply", "false" },
	{ "ExperimentalEnableDefaultChannelLeaveJoinMessages", "true" },
	{ "ExperimentalEnablePostMetadata", "true" },
	{ "ExperimentalGroupUnreadChannels", "disabled" },
	{ "ExperimentalHideTownSquareinLHS", "false" },
	{ "ExperimentalPrimaryTeam", "" },
	{ "ExperimentalSharedChannels", "false" },
	{ "ExperimentalTimezone", "true" },
	{ "ExperimentalTownSquareIsReadOnly", "false" },
	{ "ExperimentalViewArchivedChannels", "true" },
	{ "ExtendSessionLengthWithActivity", "false" },
	{ "FeatureFlagAppsEnabled", "false" },
	{ "FeatureFlagCloudDelinquentEmailJobsEnabled", "false" },
	{ "FeatureFlagCollapsedThreads", "true" },
	{ "FeatureFlagCustomDataRetentionEnabled", "false" },
	{ "FeatureFlagEnableRemoteClusterService", "false" },
	{ "FeatureFlagPluginApps", "" },
	{ "FeatureFlagPluginFocalboard", "" },
	{ "FeatureFlagPluginIncidentManagement", "1.14.3" },
	{ "FeatureFlagTestBoolFeature", "false" },
	{ "FeatureFlagTestFeature", "off" },
	{ "FeatureFlagTimedDND", "false" },
	{ "FileLevel", "INFO" },
	{ "GfycatApiKey", "" },
	{ "GfycatApiSecret", "" },
	{ "GoogleDeveloperKey", "" },
	{ "GuestAccountsEnforceMultifactorAuthentication", "false" },
	{ "HasImageProxy", "false" },
	{ "HelpLink", "https://about.mattermost.com/default-help/" },
	{ "InstallationDate", "1795284048866" },
	{ "IosAppDownloadLink",
	    "https://about.mattermost.com/mattermost-ios-app/" },
	{ "IosLatestVersion", "" },
	{ "IosMinVersion", "" },
	{ "IsDefaultMarketplace", "true" },
	{ "LdapFirstNameAttributeSet", "false" },
	{ "LdapLastNameAttributeSet", "false" },
	{ "LdapLoginButtonBorderColor", "" },
	{ "LdapLoginButtonColor", "" },
	{ "LdapLoginButtonTextColor", "" },
	{ "LdapLoginFieldName", "" },
	{ "LdapNicknameAttributeSet", "false" },
	{ "LdapPictureAttributeSet", "false" },
	{ "LdapPositionAttributeSet", "false" },
	{ "LockTeammateNameDisplay", "false" },
	{ "ManagedResourcePaths", "" },
	{ "MaxNotificationsPerChannel", "1000000" },
	{ "MinimumHashtagLength", "3" },
	{ "NoAccounts", "false" },
	{ "OpenIdButtonColor", "" },
	{ "OpenIdButtonText", "" },
	{ "PasswordMinimumLength", "10" },
	{ "PasswordRequireLowercase", "true" },
	{ "PasswordRequireNumber", "true" },
	{ "PasswordRequireSymbol", "true" },
	{ "PasswordRequireUppercase", "true" },
	{ "PluginsEnabled", "false" },
	{ "PrivacyPolicyLink", "https://mattermost.com/privacy-policy/" },
	{ "ReportAProblemLink",
	    "https://about.mattermost.com/default-report-a-problem/" },
	{ "RequireEmailVerification", "false" },
	{ "RestrictDirectMessage", "any" },
	{ "RunJobs", "true" },
	{ "SQLDriverName", "postgres" },
	{ "SamlFirstNameAttributeSet", "false" },
	{ "SamlLastNameAttributeSet", "false" },
	{ "SamlLoginButtonBorderColor", "" },
	{ "SamlLoginButtonColor", "" },
	{ "SamlLoginButtonText", "" },
	{ "SamlLoginButtonTextColor", "" },
	{ "SamlNicknameAttributeSet", "false" },
	{ "SamlPositionAttributeSet", "false" },
	{ "SendEmailNotifications", "false" },
	{ "SendPushNotifications", "false" },
	{ "ShowEmailAddress", "true" },
	{ "ShowFullName", "true" },
	{ "SiteName", "Mattermost" },
	{ "SupportEmail", "" },
	{ "TeammateNameDisplay", "username" },
	{ "TelemetryId", "" },
	{ "TermsOfServiceLink", "https://mattermost.com/terms-of-service/" },
	{ "TimeBetweenUserTypingUpdatesMilliseconds", "5000" },
	{ "UpgradedFromTE", "false" },
	{ "WebsocketPort", "80" },
	{ "WebsocketSecurePort", "443" },
	{ "WebsocketURL", "" }
};

/* Members that only a session sees. */
static const char *const private[] = { "MaxPostSize", "MaxFileSize",
    "MaxNotificationsPerChannel", "TimeBetweenUserTypingUpdatesMilliseconds",
    "PostEditTimeLimit", "EnableReliableWebSockets", "EnableFileAttachments",
    "EnableLatex", "EnablePostUsernameOverride", "EnableLinkPreviews" };

static void
set_number(json_t *j, const char *key, int64_t value)
{
	char	 s[32];

	(void)snprintf(s, sizeof(s), "%lld", (long long)value);
	json_object_set_new(j, key, json_string(s));
}

json_t *
config_client(int has_session)
{
	json_t	*j = json_object();
	size_t	 i;

	for (i = 0; i < nitems(fixed); i++)
		json_object_set_new(j, fixed[i].key,
		    json_string(fixed[i].value));
	json_object_set_new(j, "SiteURL", json_string(mm.url));
	json_object_set_new(j, "Version", json_string(mm.opt.is_11 ?
	    "11.6.0" : "5.37.0"));
	set_number(j, "MaxPostSize", mm.opt.max_post);
	set_number(j, "MaxFileSize", mm.opt.max_file);
	set_number(j, "PostEditTimeLimit", mm.opt.edit_limit);
	json_object_set_new(j, "EnableReliableWebSockets",
	    json_string(mm.opt.reliable ? "true" : "false"));
	if (mm.opt.is_11)
		json_object_del(j, "EnableReliableWebSockets");
	for (i = 0; !has_session && i < nitems(private); i++)
		json_object_del(j, private[i]);
	return j;
}

/* -1: no such option, or no such value for it. */
int
config_set(const char *key, const json_t *value)
{
	struct {
		const char	*key;
		int		*flag;
		int64_t		*number;
	} t[] = {
		{ "reliable", &mm.opt.reliable, NULL },
		{ "hardened", &mm.opt.hardened, NULL },
		{ "unauthorized", &mm.opt.unauthorized, NULL },
		{ "db_down", &mm.opt.db_down, NULL },
		{ "mute_pong", &mm.opt.mute_pong, NULL },
		{ "mute_ping", &mm.opt.mute_ping, NULL },
		{ "mute_reply", &mm.opt.mute_reply, NULL },
		{ "mute_posted", &mm.opt.mute_posted, NULL },
		{ "rate", &mm.opt.rate_enabled, NULL },
		{ "rate_by_user", &mm.opt.rate_by_user, NULL },
		{ "rate_persec", NULL, &mm.opt.rate_persec },
		{ "rate_burst", NULL, &mm.opt.rate_burst },
		{ "max_post", NULL, &mm.opt.max_post },
		{ "max_file", NULL, &mm.opt.max_file },
		{ "edit_limit", NULL, &mm.opt.edit_limit },
		{ "delay_create", NULL, &mm.opt.delay_create }
	};
	size_t	 i;

	for (i = 0; i < nitems(t); i++) {
		if (strcmp(t[i].key, key) != 0)
			continue;
		if (t[i].flag != NULL && json_is_boolean(value))
			*t[i].flag = json_is_true(value);
		else if (t[i].flag != NULL && json_is_integer(value))
			*t[i].flag = json_integer_value(value) != 0;
		else if (t[i].number != NULL && json_is_integer(value) &&
		    (t[i].number != &mm.opt.rate_persec ||
		    json_integer_value(value) > 0))
			*t[i].number = json_integer_value(value);
		else
			return -1;
		return 0;
	}
	return -1;
}

/* "key=number" of the command line; cut up. */
int
config_option(char *s)
{
	const char	*e;
	char		*eq;
	json_t		*j;
	int64_t		 n = 1;
	int		 rc;

	if ((eq = strchr(s, '=')) != NULL) {
		*eq++ = '\0';
		n = strtonum(eq, INT32_MIN, INT64_MAX, &e);
		if (e != NULL)
			return -1;
	}
	j = json_integer(n);
	rc = config_set(s, j);
	json_decref(j);
	return rc;
}
